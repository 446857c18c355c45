import { Link } from "@tanstack/react-router";
import { StateMessage } from "../ui/states.tsx";

export function NotFoundPage() {
  return (
    <main className="page" id="main">
      <StateMessage title="There is no such page" action={<Link to="/sessions">Go to the sessions</Link>}>
        The address may be mistyped, or it belongs to another version of the console.
      </StateMessage>
    </main>
  );
}
