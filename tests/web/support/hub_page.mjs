// The hub's page as a person meets it: by roles and names.
import { expect_text } from "./expect_text.mjs";

export class HubPage {
  /// Opens `path` of the hub at `url` in a context of its own, as another person's browser would.
  static async open(browser, url, path = "/", options = {}) {
    const context = await browser.newContext({ ...options, baseURL: url });
    return HubPage.in(context, path);
  }

  /// Opens it in one more tab of `context`.
  static async in(context, path) {
    const hub_page = new HubPage(await context.newPage());
    await hub_page.page.goto(path);
    return hub_page;
  }

  constructor(page) {
    this.page = page;
    this.errors = [];
    page.on("pageerror", (error) => this.errors.push(error));
    this.state = page.getByRole("status");
    this.log = page.getByRole("log", { name: "Events", exact: true });
    this.online = page.getByRole("list", { name: "Online", exact: true });
  }

  box(name) {
    return this.page.getByRole("textbox", { name, exact: true });
  }

  press(name) {
    return this.page.getByRole("button", { name, exact: true }).click();
  }

  async connect(user) {
    await this.box("User").fill(user);
    await this.press("Connect");
    await this.is("open");
  }

  /// Waits until the status reads `state`.
  is(state) {
    return expect_text(this.state, state);
  }

  async send({ to = "User", recipient = "", event = "", data = "", token = "" }) {
    await this.page.getByRole("combobox", { name: "To", exact: true }).selectOption(to);
    await this.box("Recipient").fill(recipient);
    await this.box("Event").fill(event);
    await this.box("Data").fill(data);
    await this.box("Token").fill(token);
    await this.press("Send");
  }

  /// What the log shows, oldest first, the hub's own events included.
  rows() {
    return this.log.locator(".row").evaluateAll((rows) =>
      rows.map((row) => {
        const [time, name, id, data] = [...row.children].map((child) => child.textContent);
        return { time, name, id, data };
      }),
    );
  }

  /// The rows of events that somebody sent.
  async sent() {
    return (await this.rows()).filter(({ name }) => !["connected", "gap", "closing"].includes(name));
  }

  users() {
    return this.online.getByRole("listitem").allTextContents();
  }
}
