export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** True once the condition holds; false if it does not within the time. What throws does not hold yet. */
export async function holds(condition: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    if (await attempt(condition)) return true;
    if (performance.now() > deadline) return false;
    await delay(40);
  }
}

async function attempt(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await condition();
  } catch {
    return false;
  }
}
