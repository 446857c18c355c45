import type { JsonValue } from "../../../runtime/core/json.ts";

const MINOR_UNITS = /(?:Cents|Minor|MinorUnits)$/;

/**
 * Amounts are recorded in minor units (`amountCents: 412000`), which people misread. This gives the
 * same amount as people write it, to be shown beside the recorded number, never instead of it.
 * Undefined if the field is not such an amount.
 */
export function readableAmount(
  key: string,
  value: JsonValue,
  beside: Readonly<Record<string, JsonValue>>,
): string | undefined {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || !MINOR_UNITS.test(key)) return undefined;
  const currency = beside["currency"];
  if (typeof currency !== "string" || !/^[A-Z]{3}$/.test(currency)) {
    return new Intl.NumberFormat("en", { minimumFractionDigits: 2 }).format(value / 100);
  }
  const format = new Intl.NumberFormat("en", { style: "currency", currency, currencyDisplay: "code" });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  // Intl puts a no-break space between code and number, which is right, and invisible.
  return format.format(value / 10 ** digits);
}
