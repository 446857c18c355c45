/** The currencies that the insurer pays in. */
export const CURRENCIES = ["EUR", "GBP", "CHF"] as const;
export type Currency = (typeof CURRENCIES)[number];

/** `123456` of `"EUR"` as `1,234.56 EUR`: the same on every machine, whatever its locale. */
export function formatMinor(minor: number, currency: string): string {
  const sign = minor < 0 ? "-" : "";
  const digits = String(Math.abs(minor)).padStart(3, "0");
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${sign}${whole}.${digits.slice(-2)} ${currency}`;
}

/** A whole percentage of an amount; a fraction of a minor unit is dropped. */
export function shareOf(minor: number, percent: number): number {
  return Math.floor((minor * percent) / 100);
}

/** The middle one of some amounts, or the lower of the two in the middle. Undefined for none. */
export function median(amounts: readonly number[]): number | undefined {
  return [...amounts].sort((a, b) => a - b)[Math.floor((amounts.length - 1) / 2)];
}
