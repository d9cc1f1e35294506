/** What a verification proves, and plainly what it does not. */

export function Limits() {
  return (
    <aside class="panel limits" aria-label="What it proves">
      <h2>What it proves</h2>
      <p>
        Every event still has the bytes that its hash was made from, and every hash builds on the
        one before. Nobody can change, insert, reorder or remove an event without computing every
        later hash anew.
      </p>
      <h2>What it does not prove</h2>
      <ul>
        <li>
          <strong>A chain that was computed anew looks whole.</strong> Only a hash kept from before
          gives it away.
        </li>
        <li>
          <strong>A ledger whose end was cut off looks whole.</strong> Only who knows that there was
          more can tell.
        </li>
        <li>
          <strong>Others may be shown another chain.</strong> Compare heads with them.
        </li>
        <li>
          <strong>This page comes from the server that it checks</strong>, and{" "}
          <code>tocsin verify</code> asks that server, too. A program of your own does not depend on
          it.
        </li>
        <li>
          <strong>What an agent reported may be untrue.</strong> The chain holds what was received.
        </li>
      </ul>
      <h2>What to do about it</h2>
      <p>
        Copy the head when you have verified it, and keep it where whoever runs Tocsin can't change
        it: in a ticket, in a mail to a colleague, on paper. Next time, paste it under “Hold it
        against a hash that somebody noted”.
      </p>
      <p>
        This browser remembers the last head that it verified and holds the chain against it by
        itself. That is as good as this browser: whoever can change its storage, or this page, gets
        past it. Checkpoints that Tocsin signs are not there yet.
      </p>
      <p>
        To compute it with a program of your own, read “Checking the chain yourself” in{" "}
        <code>docs/reference.md</code>.
      </p>
    </aside>
  );
}
