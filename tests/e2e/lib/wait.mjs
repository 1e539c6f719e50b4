// Deadlines instead of sleeps: every wait names its condition and fails by name.
import { setTimeout as delay } from 'node:timers/promises';

// Sanitizer builds are slower: SALLYPORT_SLOW=4 makes every deadline four times as long.
export const SLOW = Math.max(1, Number(process.env.SALLYPORT_SLOW ?? 1) || 1);

export const deadline = (ms) => ms * SLOW;

// Settles with `promise`, or fails with the text of `what` (a string or a function) after `ms`.
export async function within(ms, what, promise) {
  const abort = new AbortController();
  const timer = delay(deadline(ms), undefined, { signal: abort.signal }).then(
    () => {
      throw new Error(`not within ${deadline(ms)} ms: ${typeof what === 'function' ? what() : what}`);
    },
    () => {},
  );
  try {
    return await Promise.race([promise, timer]);
  } finally {
    abort.abort();
  }
}

// Asks `condition` again until it gives something truthy, and returns that.
export async function until(what, condition, ms = 10_000) {
  const end = Date.now() + deadline(ms);
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) {
      throw new Error(`not within ${deadline(ms)} ms: ${typeof what === 'function' ? what() : what}`);
    }
    await delay(5);
  }
}

// For tests whose subject is time itself.
export const pass = (ms) => delay(ms);
