import { Heading } from "../../ui/parts.tsx";
import { Costs } from "./costs.tsx";
import { Events } from "./events.tsx";

export function RatesView() {
  return (
    <>
      <Heading title="Rates and cost" />
      <div class="stack">
        <Events />
        <Costs />
      </div>
    </>
  );
}
