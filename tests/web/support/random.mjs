// Random numbers that a test can have again: SEED in the environment names the run to repeat.
//
//   const random = seeded_random();      // says its seed
//   random.below(6) + 1; random.pick(["a", "b"]); random.chance(0.1);

export function seeded_random(seed = Number(process.env.SEED ?? Date.now() % 1_000_000_007)) {
  console.log(`random: SEED=${seed}`);
  return new Random(seed);
}

class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /// In [0, 1). (mulberry32)
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /// A whole number from 0 to `limit` - 1.
  below(limit) {
    return Math.floor(this.next() * limit);
  }

  between(least, most) {
    return least + this.below(most - least + 1);
  }

  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /// `count` different elements.
  sample(list, count) {
    const left = [...list];
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0]);
  }

  /// One that goes its own way: what several tasks draw does not depend on who comes first.
  fork() {
    return new Random(this.below(2 ** 32));
  }
}
