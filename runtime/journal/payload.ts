import { canonicalJson, sha256 } from "../core/canonical.ts";

/** Payloads above this many UTF-16 units of canonical text go to `blobs`. */
const BLOB_THRESHOLD = 256 * 1024;

/** What a row holds instead of a payload that went to `blobs`: always exactly this text. */
const BLOB_REFERENCE = /^\{"\$blob":"([0-9a-f]{64})","bytes":\d+\}$/;

/** A payload as it is stored: the text of the row, which is what is hashed, and what went to `blobs`. */
export interface StoredPayload {
  readonly text: string;
  readonly blob: { readonly hash: string; readonly text: string } | null;
}

/** @throws `NotCanonicalError` if it is not plain JSON. */
export function storedPayload(data: unknown): StoredPayload {
  const text = canonicalJson(data);
  if (text.length <= BLOB_THRESHOLD) return { text, blob: null };
  const hash = sha256(text);
  return { text: canonicalJson({ $blob: hash, bytes: Buffer.byteLength(text) }), blob: { hash, text } };
}

/** The hash of the blob that a row refers to, or undefined if the row holds its payload itself. */
export function blobOf(text: string): string | undefined {
  return BLOB_REFERENCE.exec(text)?.[1];
}

export function hexToBytes(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}
