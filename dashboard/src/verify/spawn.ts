/** Making the worker, the page's only script that is named at run time. */

declare const WORKER_URL: string;

interface Policy {
  createScriptURL(url: string): string;
}

interface Policies {
  createPolicy(name: string, rules: Policy): Policy;
}

const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;

const policy: Policy = {
  createScriptURL(url) {
    if (url !== WORKER_URL) throw new TypeError("This page has one worker.");
    return url;
  },
};

/** Made once: the page's policy allows one of this name. */
const trusted = policies?.createPolicy("tocsin", policy) ?? policy;

export const newWorker = () => new Worker(trusted.createScriptURL(WORKER_URL), { type: "module" });
