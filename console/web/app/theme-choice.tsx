import { useState } from "react";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

/** The same name as in `theme.js`, which sets the theme before the first paint. */
const STORED_AS = "signalbox-theme";

function currentTheme(): Theme {
  const set = document.documentElement.dataset["theme"];
  return set === "light" || set === "dark" ? set : "system";
}

function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    if (theme === "system") localStorage.removeItem(STORED_AS);
    else localStorage.setItem(STORED_AS, theme);
  } catch {
    // No storage: the choice holds until the page is loaded again.
  }
}

export function ThemeChoice() {
  const [theme, choose] = useState(currentTheme);
  return (
    <fieldset className="segments">
      <legend>Theme</legend>
      <div className="segments-row">
        {THEMES.map((name) => (
          <label key={name} className="segment">
            <input
              type="radio"
              name="theme"
              value={name}
              checked={theme === name}
              onChange={() => {
                setTheme(name);
                choose(name);
              }}
            />
            <span>{name}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
