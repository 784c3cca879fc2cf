import { until } from "./until.mjs";

/// Waits until the element's text is `wanted`, or matches it.
export async function expect_text(locator, wanted) {
  let seen;
  const matches = () => (wanted instanceof RegExp ? wanted.test(seen) : seen === wanted);
  const read = async () => {
    seen = await locator.textContent();
    return matches();
  };
  return until(`the text ${wanted}`, read).catch((error) => {
    throw new Error(`${error.message}; it reads '${seen}'`);
  });
}
