import { useMutation } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { SignIn } from "../client/requests.ts";
import { ApiError } from "../client/errors.ts";
import { useApp } from "../app/context.ts";
import { Mark } from "../ui/icons.tsx";
import { SignInForm } from "./sign-in-form.tsx";

const route = getRouteApi("/sign-in");

/** Name and password, or the one-time link that the command line prints. */
export function SignInPage() {
  const { api, queryClient } = useApp();
  const router = useRouter();
  const { code, next } = route.useSearch();
  const signIn = useMutation({
    mutationFn: (body: SignIn) => api.signIn(body),
    onSuccess: (me) => {
      queryClient.clear();
      queryClient.setQueryData(["me"], me);
      // Replaced, so that "back" does not lead to a used code.
      router.history.replace(next ?? "/");
    },
    onError: () => {
      // A used code in the address would be tried again at each reload.
      if (code !== undefined)
        void router.navigate({ to: "/sign-in", search: next === undefined ? {} : { next }, replace: true });
    },
  });

  const { mutate } = signIn;
  const tried = useRef<string>(undefined);
  useEffect(() => {
    // A code works once: an effect that runs twice must not use it up on itself.
    if (code === undefined || tried.current === code) return;
    tried.current = code;
    mutate({ code });
  }, [code, mutate]);

  const withCode = signIn.variables !== undefined && "code" in signIn.variables;
  return (
    <main className="sign-in" id="main">
      <div className="sign-in-box">
        <h1 className="sign-in-brand">
          <Mark /> Signalbox
        </h1>
        {code !== undefined && !signIn.isError ? (
          <p role="status">Signing you in with the one-time link…</p>
        ) : (
          <>
            {signIn.isError && (
              <p className="notice bad" role="alert">
                {withCode && signIn.error instanceof ApiError && signIn.error.status < 500
                  ? `${signIn.error.message} A link works once and for a short time; ask for a new one, or use your password.`
                  : signIn.error.message}
              </p>
            )}
            <SignInForm pending={signIn.isPending} submit={mutate} />
          </>
        )}
      </div>
    </main>
  );
}
