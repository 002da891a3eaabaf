// How a resource server is asked: the first line of standard input is a JSON
// object (the issuer, the audience, where the keys are), every further line a
// token, an empty one none at all. Each answer is a JSON object on a line.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

export const asked = JSON.parse((await lines.next()).value);

/** `judge` rejects for a token that is not good. */
export async function serve(judge, ...packages) {
  tell({ version: packages.map(version).join(", ") });
  for await (const token of lines) {
    tell(await judge(token).then(
      () => ({ allowed: true }),
      (error) => ({ allowed: false, why: `${error.code ?? error.name}: ${error.message}` }),
    ));
  }
  process.exit();
}

function version(name) {
  return JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).version;
}
