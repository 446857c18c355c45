import { SignalboxError } from "../core/errors.ts";

/** NATS could not be reached, or does not take what is published. Nothing is lost: it is sent again. */
export class BusUnavailableError extends SignalboxError {
  static override readonly code = "BUS_UNAVAILABLE";
  static override readonly disposition = "retry";
}
