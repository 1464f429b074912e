/** What a URL holds that no error may show: it may be signed, or have a password. */
import { inspect } from "node:util";

/** Shorter ones would also be found where they are not meant; a name is a secret when it is a token. */
const shortest = { password: 4, other: 8 };

export function withoutSecrets(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** The error as it may be shown: itself when neither it nor its causes quote a secret, else its words without. */
export function withoutSecretsOf(url: URL, error: unknown): unknown {
  const secrets = secretsOf(url);
  const shown = inspect(error, { depth: 9, showHidden: true });
  if (!secrets.some((secret) => shown.includes(secret))) return error;
  let message = error instanceof Error ? error.message : String(error);
  message = message.replaceAll(url.href, withoutSecrets(url));
  for (const secret of secrets) message = message.replaceAll(secret, "***");
  return new Error(message);
}

/** A text that was meant to be a URL, without what may be a password or a query. */
export function withoutSecretsIn(text: string): string {
  return text.replace(/\/\/.*@/s, "//***@").replace(/\?.*/s, "?***");
}

/** As they stand in the URL, and as they are meant; long ones first, so that no rest of one is left. */
function secretsOf({ username, password, search, searchParams }: URL): string[] {
  const others = [username, ...searchParams.values()].filter(({ length }) => length >= shortest.other);
  const said = [...others, ...(password.length >= shortest.password ? [password] : []), ...(search ? [search] : [])];
  const all = [...said, ...said.map(decoded)];
  return [...new Set(all)].toSorted((one, other) => other.length - one.length);
}

export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
