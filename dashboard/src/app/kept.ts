/** What this browser keeps: nothing, where a person forbids it, and then nothing fails. */

export function kept(storage: () => Storage, name: string): string | null {
  try {
    return storage().getItem(name);
  } catch {
    return null;
  }
}

export function keep(storage: () => Storage, name: string, value: string): void {
  try {
    storage().setItem(name, value);
  } catch {
    // Full, or not allowed: the next visit begins without it.
  }
}
