import { useState, type SubmitEvent } from "react";

interface SignInFormProps {
  readonly pending: boolean;
  readonly submit: (body: { name: string; password: string }) => void;
}

export function SignInForm({ pending, submit }: SignInFormProps) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const send = (event: SubmitEvent): void => {
    event.preventDefault();
    submit({ name: name.trim(), password });
  };
  return (
    <form className="form" onSubmit={send}>
      <label className="form-field">
        <span>Name</span>
        <input
          name="name"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          maxLength={200}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <label className="form-field">
        <span>Password</span>
        <input
          name="password"
          type="password"
          autoComplete="current-password"
          required
          maxLength={1000}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
      </label>
      <button type="submit" className="primary" disabled={pending}>
        {pending ? "Signing in…" : "Sign in"}
      </button>
      <p className="hint">
        No password? The terminal in which Signalbox was started shows a one-time sign-in link. An admin makes more with{" "}
        <code>npx signalbox users link NAME</code>.
      </p>
    </form>
  );
}
