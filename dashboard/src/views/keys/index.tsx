import { Heading } from "../../ui/parts.tsx";

export function KeysView() {
  return <Heading title="Keys" />;
}
