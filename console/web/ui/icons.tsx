import type { Tone } from "./words.ts";

/** The signs beside states: told apart by shape, not only by colour. Decoration; words stand beside them. */
export function ToneSign({ tone }: { readonly tone: Tone }) {
  return (
    <svg className={`sign ${tone}`} viewBox="0 0 12 12" aria-hidden="true">
      {SHAPES[tone]}
    </svg>
  );
}

const SHAPES: Readonly<Record<Tone, React.ReactNode>> = {
  good: <path d="M2.2 6.4 4.8 9l5-5.6" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />,
  busy: <circle cx="6" cy="6" r="3" fill="currentColor" />,
  wait: (
    <>
      <rect x="2.6" y="2.2" width="2.2" height="7.6" rx="0.6" fill="currentColor" />
      <rect x="7.2" y="2.2" width="2.2" height="7.6" rx="0.6" fill="currentColor" />
    </>
  ),
  bad: <path d="m3 3 6 6M9 3 3 9" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />,
  doubt: (
    <>
      <path d="M6 1.2 11.2 10.4H.8z" fill="none" stroke="currentColor" strokeWidth="1.3" strokeLinejoin="round" />
      <path d="M6 4.4v2.6M6 8.4v.5" stroke="currentColor" strokeWidth="1.3" strokeLinecap="round" />
    </>
  ),
  quiet: <path d="M2.5 6h7" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />,
};

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M7 3v18" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" />
      <path className="mark-arm" d="M7 5.2 18 3v5.6L7 8.6z" />
      <circle className="mark-lamp" cx="7" cy="17" r="2.6" />
    </svg>
  );
}

export type IconName = "previous" | "next" | "first" | "last" | "close" | "shield" | "arrow" | "person";

const ICONS: Readonly<Record<IconName, string>> = {
  previous: "M10 3.5 5.5 8l4.5 4.5",
  next: "M6 3.5 10.5 8 6 12.5",
  first: "M11.5 3.5 7 8l4.5 4.5M4.5 3.5v9",
  last: "M4.5 3.5 9 8l-4.5 4.5M11.5 3.5v9",
  close: "m4 4 8 8m0-8-8 8",
  shield: "M8 1.8 13 3.6v4c0 3-2 5.4-5 6.6-3-1.2-5-3.6-5-6.6v-4z",
  arrow: "M3 8h9.5M8.5 4l4 4-4 4",
  person: "M8 8.2a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4ZM2.8 14c.4-2.6 2.4-4.2 5.2-4.2s4.8 1.6 5.2 4.2",
};

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={ICONS[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
