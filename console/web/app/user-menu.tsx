import { useMutation, useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useId, useRef, useState } from "react";
import { queries } from "../client/queries.ts";
import { Icon } from "../ui/icons.tsx";
import { useApp } from "./context.ts";
import { ThemeChoice } from "./theme-choice.tsx";

/** Who is signed in, with which roles; the theme; the way out. */
export function UserMenu() {
  const { api, queryClient } = useApp();
  const router = useRouter();
  const { data: me } = useQuery(queries.me(api));
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const signOut = useMutation({
    mutationFn: () => api.signOut(),
    onSuccess: async () => {
      await router.navigate({ to: "/sign-in" });
      queryClient.clear();
    },
  });

  useEffect(() => {
    if (!open) return undefined;
    const closeOnEscape = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    const closeOutside = (event: Event): void => {
      if (event.target instanceof Node && menu.current?.contains(event.target) !== true) setOpen(false);
    };
    document.addEventListener("keydown", closeOnEscape);
    document.addEventListener("pointerdown", closeOutside);
    document.addEventListener("focusin", closeOutside);
    return () => {
      document.removeEventListener("keydown", closeOnEscape);
      document.removeEventListener("pointerdown", closeOutside);
      document.removeEventListener("focusin", closeOutside);
    };
  }, [open]);

  return (
    <div className="user" ref={menu}>
      <button
        type="button"
        className="user-button"
        ref={button}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <Icon name="person" />
        <span className="user-name">{me?.name ?? "…"}</span>
        <span className="unseen">, your sign-in and settings</span>
      </button>
      {open && (
        <div className="user-panel" id={id}>
          {me !== undefined && (
            <dl className="facts">
              <div>
                <dt>Signed in as</dt>
                <dd>{me.name}</dd>
              </div>
              <div>
                <dt>Roles</dt>
                <dd>{me.roles.join(", ") || "none"}</dd>
              </div>
              <div>
                <dt>Pools</dt>
                <dd>{me.pools.join(", ") || "none"}</dd>
              </div>
            </dl>
          )}
          <ThemeChoice />
          <button type="button" disabled={signOut.isPending} onClick={() => signOut.mutate()}>
            Sign out
          </button>
          {signOut.isError && <p className="field-error">{signOut.error.message}</p>}
        </div>
      )}
    </div>
  );
}
