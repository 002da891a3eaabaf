// A resource server that uses jose. question.py says what is asked.
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { tokens, issuer, audience, jwks_url, metadata } = JSON.parse(readFileSync(0, "utf8"));

async function jwksUrl() {
  if (jwks_url) return jwks_url;
  const response = await fetch(issuer + metadata);
  assert.equal(response.status, 200);
  const document = await response.json();
  assert.equal(document.issuer, issuer);
  return document.jwks_uri;
}

const keys = createRemoteJWKSet(new URL(await jwksUrl()));
const expected = { issuer, audience, typ: "at+jwt", algorithms: ["RS256"] };

async function verdict(token) {
  try {
    return { claims: (await jwtVerify(token, keys, expected)).payload };
  } catch (error) {
    return { refused: `${error.code ?? error.name}: ${error.message}` };
  }
}

const verdicts = [];
for (const token of tokens) verdicts.push(await verdict(token));
process.stdout.write(JSON.stringify(verdicts));
