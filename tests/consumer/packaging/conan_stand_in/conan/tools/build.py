def check_min_cppstd(_, __):
    pass


def can_run(_):
    return True
