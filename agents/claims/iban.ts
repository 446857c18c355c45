/**
 * True if the text has the form of an IBAN and its check digits are right (ISO 13616: country and check
 * digits moved to the end, letters as numbers from 10, modulo 97 is 1). Says nothing about the account.
 */
export function isIban(text: string): boolean {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(text)) return false;
  let remainder = 0;
  for (const character of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
