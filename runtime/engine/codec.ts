import {
  AIMessage,
  BaseMessage,
  mapStoredMessagesToChatMessages,
  RemoveMessage,
  type StoredMessage,
} from "@langchain/core/messages";
import { Command, isCommand, Overwrite, Send } from "@langchain/langgraph";
import { isPlainObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { Unfit, unfitAt } from "../core/unfit.ts";
import { UnrecordableValueError } from "./errors.ts";

/**
 * The one codec between what JavaScript has and what the record holds. JSON stays as it is. What JSON
 * lacks becomes an object with a `$type`; a plain object that has a `$type` of its own is wrapped, so
 * nothing can pretend to be something else. `decode(encode(x))` gives an equal value of the same class.
 */
const TAG = "$type";

interface Tagged {
  readonly [TAG]: string;
  readonly [key: string]: JsonValue;
}

/**
 * @throws {@link UnrecordableValueError} for functions, symbols, cycles and instances of classes that are
 *   not listed here, naming the place.
 */
export function encode(value: unknown): JsonValue {
  try {
    return encodeIn(value, new Set());
  } catch (error) {
    if (error instanceof Unfit) throw unrecordable(error.path, error.what);
    // The stack is what bounds the depth: `RangeError` alone would not say that the value is the cause.
    if (error instanceof RangeError) throw unrecordable("", "nested too deeply");
    throw error;
  }
}

/**
 * Like {@link decode}, for what becomes state: its plain objects and arrays are frozen. A change in place
 * would be in no record and gone after a restart; this way it is an error at the line that makes it.
 */
export function decodeState(value: JsonValue): unknown {
  return frozen(decode(value));
}

function frozen(value: unknown): unknown {
  if (Array.isArray(value) || isPlainObject(value)) {
    for (const part of Object.values(value)) frozen(part);
    Object.freeze(value);
  }
  return value;
}

export function decode(value: JsonValue): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isArray(value)) return value.map(decode);
  if (TAG in value) return decodeTagged(value as Tagged);
  return mapEntries(value, decode);
}

/** A part of something, in it at this key. */
function encodeAt(value: unknown, key: string | number, inside: Set<object>): JsonValue {
  try {
    return encodeIn(value, inside);
  } catch (error) {
    throw unfitAt(key, error);
  }
}

/** @param inside the objects that the value is a part of */
function encodeIn(value: unknown, inside: Set<object>): JsonValue {
  switch (typeof value) {
    case "boolean":
      return value;
    case "string":
      return value.isWellFormed()
        ? value
        : { [TAG]: "string", utf16le: Buffer.from(value, "utf16le").toString("base64") };
    case "number":
      return encodeNumber(value);
    case "undefined":
      return { [TAG]: "undefined" };
    case "bigint":
      return { [TAG]: "bigint", value: value.toString() };
    case "object":
      return value === null ? null : encodeObject(value, inside);
    default:
      throw new Unfit(`a ${typeof value}`);
  }
}

function encodeNumber(value: number): JsonValue {
  const plain =
    Number.isFinite(value) && !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  return plain ? value : { [TAG]: "number", value: Object.is(value, -0) ? "-0" : String(value) };
}

function encodeObject(value: object, inside: Set<object>): JsonValue {
  if (inside.has(value)) throw new Unfit("a reference to an object that contains it");
  inside.add(value);
  try {
    return encodeFresh(value, inside);
  } finally {
    inside.delete(value);
  }
}

function encodeFresh(value: object, inside: Set<object>): JsonValue {
  const at = (part: unknown, key: string | number): JsonValue => encodeAt(part, key, inside);
  // Not `map`, which leaves the holes of a sparse array.
  if (Array.isArray(value)) return Array.from(value, at);
  if (isPlainObject(value)) {
    if (Object.hasOwn(value, "__proto__")) throw new Unfit("an object with the key __proto__");
    const broken = Object.keys(value).some((key) => !key.isWellFormed());
    if (broken) throw new Unfit("an object with half of a surrogate pair in a key");
    const encoded = mapEntries(value, at);
    return Object.hasOwn(value, TAG)
      ? { [TAG]: "object", value: Object.entries(encoded).map(([key, part]) => [key, part]) }
      : encoded;
  }
  if (BaseMessage.isInstance(value)) return encodeMessage(value, at);
  if (isCommand(value)) {
    return {
      [TAG]: "command",
      ...(value.graph === undefined ? {} : { graph: value.graph }),
      ...(value.update === undefined ? {} : { update: at(value.update, "update") }),
      ...(value.resume === undefined ? {} : { resume: at(value.resume, "resume") }),
      ...(value.goto === undefined ? {} : { goto: at(value.goto, "goto") }),
    };
  }
  if (value instanceof Send && value.timeout !== undefined) throw new Unfit("a Send with a timeout");
  if (value instanceof Send) return { [TAG]: "send", node: value.node as string, args: at(value.args, "args") };
  if (Overwrite.isInstance(value)) return { [TAG]: "overwrite", value: at(value.value, "value") };
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new Unfit("an invalid Date");
    return { [TAG]: "date", value: value.toISOString() };
  }
  if (value instanceof Map) {
    return { [TAG]: "map", value: [...value].map(([key, part], i) => [at(key, i), at(part, i)]) };
  }
  if (value instanceof Set) return { [TAG]: "set", value: [...value].map(at) };
  if (value instanceof Uint8Array) return { [TAG]: "bytes", value: Buffer.from(value).toString("base64") };
  if (value instanceof URL) return { [TAG]: "url", value: value.href };
  if (value instanceof Error) {
    // Whatever their types say, both may be anything: some libraries set them.
    const { name, message } = value as { name: unknown; message: unknown };
    return { [TAG]: "error", name: at(String(name), "name"), message: at(String(message), "message") };
  }
  throw new Unfit(`an instance of ${value.constructor.name}`);
}

function encodeMessage(message: BaseMessage, at: (part: unknown, key: string | number) => JsonValue): JsonValue {
  if (message instanceof RemoveMessage) return { [TAG]: "message", type: "remove", data: { id: at(message.id, "id") } };
  const { type, data } = message.toDict();
  return { [TAG]: "message", type, data: at(withoutUndefined({ ...data }), "data") };
}

function decodeTagged(tagged: Tagged): unknown {
  const value = tagged["value"] ?? null;
  switch (tagged[TAG]) {
    case "undefined":
      return undefined;
    case "string":
      return Buffer.from(tagged["utf16le"] as string, "base64").toString("utf16le");
    case "number":
      return Number(value);
    case "bigint":
      return BigInt(value as string);
    case "object":
      return Object.fromEntries((value as [string, JsonValue][]).map(([key, part]) => [key, decode(part)]));
    case "message":
      return decodeMessage(tagged);
    case "command":
      return new Command(
        mapEntries(Object.fromEntries(Object.entries(tagged).filter(([key]) => key !== TAG)), (part) => decode(part)),
      );
    case "send":
      return new Send(tagged["node"] as string, decode(tagged["args"] ?? null));
    case "overwrite":
      return new Overwrite(decode(value));
    case "date":
      return new Date(value as string);
    case "map":
      return new Map((value as [JsonValue, JsonValue][]).map(([key, part]) => [decode(key), decode(part)]));
    case "set":
      return new Set((value as JsonValue[]).map(decode));
    case "bytes":
      return new Uint8Array(Buffer.from(value as string, "base64"));
    case "url":
      return new URL(value as string);
    case "error": {
      const error = new Error(decode(tagged["message"] ?? "") as string);
      error.name = decode(tagged["name"] ?? "") as string;
      return error;
    }
    default:
      throw new UnrecordableValueError(
        `The record holds a value of the type "${tagged[TAG]}", which this release does not know. Read it with the release that wrote it.`,
        { details: { type: tagged[TAG] } },
      );
  }
}

function decodeMessage(tagged: Tagged): BaseMessage {
  const data = decode(tagged["data"] ?? null) as Record<string, unknown>;
  if (tagged["type"] === "remove") return new RemoveMessage({ id: data["id"] as string });
  const [message] = mapStoredMessagesToChatMessages([{ type: tagged["type"], data } as unknown as StoredMessage]);
  return message ?? new AIMessage("");
}

function withoutUndefined(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
}

function mapEntries<In, Out>(
  value: Readonly<Record<string, In>>,
  map: (part: In, key: string) => Out,
): Record<string, Out> {
  const mapped: Record<string, Out> = {};
  for (const key of Object.keys(value)) mapped[key] = map(value[key] as In, key);
  return mapped;
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function unrecordable(path: string, what: string): UnrecordableValueError {
  return new UnrecordableValueError(
    `The value at ${path === "" ? "the top" : path} is ${what}, which cannot be recorded. Keep state, results and messages to JSON, dates, maps, sets, bytes and LangChain messages.`,
    { details: { path } },
  );
}

export type { JsonObject };
