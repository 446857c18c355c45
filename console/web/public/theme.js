// Runs before the first paint, so that a chosen theme does not flash the other one. Kept out of the
// page itself because the content security policy allows no inline scripts.
try {
  const theme = localStorage.getItem("signalbox-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's theme it is.
}
