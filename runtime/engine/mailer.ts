import { createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from "node:crypto";
import { z } from "zod";
import type { Bus, Envelope, SignedEnvelope } from "../core/bus.ts";
import { canonicalJson } from "../core/canonical.ts";
import { actorSchema } from "../core/people.ts";
import { BadMessageError } from "./errors.ts";

const json = z.json() as z.ZodType<Envelope["body"]>;

const envelopeSchema: z.ZodType<SignedEnvelope> = z.strictObject({
  envelope: z.strictObject({
    v: z.literal(1),
    id: z.uuid(),
    kind: z.enum(["ask", "answer"]),
    from: z.string(),
    to: z.string(),
    session: z.uuid(),
    run: z.uuid(),
    cause: z.strictObject({ seq: z.int().positive(), hash: z.string() }),
    target: z.uuid(),
    effect: z.string(),
    startedBy: actorSchema,
    depth: z.int().nonnegative(),
    deadline: z.number().nullable(),
    budgetLeft: z.number().nullable(),
    labels: z.array(z.string()),
    sentAt: z.number(),
    body: json,
  }),
  worker: z.string(),
  signature: z.base64(),
});

/** Where a worker's public key (SPKI, PEM) is found by the worker's id. */
export type KeyDirectory = (worker: string) => Promise<string | null>;

/**
 * Signs and sends the messages of one worker, and checks those of others. The signing key lives as long
 * as the process; its public half is registered in the database, so who can register a worker is who can
 * write to the database.
 */
export class Mailer {
  readonly #worker: string;
  readonly #bus: Bus;
  readonly #key: KeyObject;
  readonly publicKey: string;
  readonly #keys: KeyDirectory;
  readonly #known = new Map<string, KeyObject>();
  readonly #onSendError: (error: unknown) => void;

  constructor(options: {
    readonly worker: string;
    readonly bus: Bus;
    readonly keys: KeyDirectory;
    readonly onSendError: (error: unknown) => void;
  }) {
    this.#worker = options.worker;
    this.#bus = options.bus;
    this.#keys = options.keys;
    this.#onSendError = options.onSendError;
    const pair = generateKeyPairSync("ed25519");
    this.#key = pair.privateKey;
    this.publicKey = pair.publicKey.export({ type: "spki", format: "pem" }).toString();
  }

  sign(envelope: Envelope): SignedEnvelope {
    const signature = sign(null, Buffer.from(canonicalJson(envelope)), this.#key).toString("base64");
    return { envelope, worker: this.#worker, signature };
  }

  /** Publishes what is already in the outbox. If NATS does not take it, the sweeper sends it again. */
  send(messages: readonly SignedEnvelope[], again = false): void {
    for (const message of messages) this.#bus.mail(message, again).catch(this.#onSendError);
  }

  /**
   * Checks a message that came from NATS: its form, its sender's signature, and that the subject it came
   * on is its receiver's.
   *
   * @throws {@link BadMessageError} if anything is off.
   */
  async open(message: unknown, receivedFor: string): Promise<Envelope> {
    const read = readEnvelope(message);
    if (!read) throw new BadMessageError(`A message for ${receivedFor} does not have the form of an envelope.`);
    const { signed, text } = read;
    const { envelope, worker, signature } = signed;
    const details = { message: envelope.id, worker };
    if (envelope.to !== receivedFor) {
      throw new BadMessageError(`A message for ${envelope.to} came to ${receivedFor}.`, { details });
    }
    const key = await this.#keyOf(worker);
    if (!key || !verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"))) {
      throw new BadMessageError(`A message for ${receivedFor} is not signed by the worker that it names.`, { details });
    }
    return envelope;
  }

  async #keyOf(worker: string): Promise<KeyObject | null> {
    const known = this.#known.get(worker);
    if (known) return known;
    const pem = await this.#keys(worker);
    if (pem === null) return null;
    const key = createPublicKey(pem);
    this.#known.set(worker, key);
    return key;
  }
}

/** The message and the text that was signed; null for whatever else NATS may bring, however deep or odd. */
function readEnvelope(message: unknown): { readonly signed: SignedEnvelope; readonly text: string } | null {
  try {
    const signed = envelopeSchema.parse(message);
    return { signed, text: canonicalJson(signed.envelope) };
  } catch {
    return null;
  }
}
