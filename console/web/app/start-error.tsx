import { useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { UnreachableError } from "../client/errors.ts";
import { StateMessage } from "../ui/states.tsx";

const RETRY_MS = 3000;

/** Shown when the console cannot even learn who is signed in. Tries again by itself. */
export function StartError({ error, reset }: { readonly error: unknown; readonly reset: () => void }) {
  const router = useRouter();
  const unreachable = error instanceof UnreachableError;
  useEffect(() => {
    const again = (): void => {
      reset();
      void router.invalidate();
    };
    const timer = unreachable ? setInterval(again, RETRY_MS) : undefined;
    return () => clearInterval(timer);
  }, [unreachable, reset, router]);
  return (
    <main className="page" id="main">
      <StateMessage
        title={unreachable ? "The server cannot be reached" : "The console could not start"}
        action={
          <button type="button" onClick={() => window.location.reload()}>
            Try again
          </button>
        }
      >
        {unreachable
          ? "Nothing is lost: agents go on without the console. This page tries again every few seconds."
          : error instanceof Error
            ? error.message
            : String(error)}
      </StateMessage>
    </main>
  );
}
