export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How often somebody who is alone looks: each look costs the database and this process as much as steps of a run. */
const LOOK_MS = 40;

/** @returns milliseconds from one look to the next where so many look at the same time. */
export function lookEvery(lookers: number): number {
  return LOOK_MS + 20 * Math.max(0, lookers - 1);
}

/** True once the condition holds; false if it does not within the time. What throws does not hold yet. */
export async function holds(
  condition: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs = LOOK_MS,
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    if (await attempt(condition)) return true;
    if (performance.now() > deadline) return false;
    await delay(everyMs);
  }
}

async function attempt(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await condition();
  } catch {
    return false;
  }
}
