import { Link } from "@tanstack/react-router";
import { StateMessage } from "../ui/states.tsx";

export function NotFound() {
  return (
    <StateMessage title="There is no such page" action={<Link to="/sessions">Go to the sessions</Link>}>
      The address may be mistyped, or it belongs to another version of the console.
    </StateMessage>
  );
}

/** The same where there is no frame around it. */
export function NotFoundPage() {
  return (
    <main className="page" id="main">
      <NotFound />
    </main>
  );
}
