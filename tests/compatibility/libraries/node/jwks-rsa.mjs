// A resource server that uses jwks-rsa and jsonwebtoken.

import jwt from "jsonwebtoken";
import jwksClient from "jwks-rsa";
import { promisify } from "node:util";
import { asked, serve } from "./library.mjs";

// Without a limit, whoever sends tokens with made-up key ids makes this
// process fetch the set for each of them.
const client = jwksClient({ jwksUri: asked.jwks_url, cache: true, rateLimit: true });
const verify = promisify(jwt.verify);
const expected = { issuer: asked.issuer, audience: asked.audience, algorithms: ["RS256"] };

async function key({ kid }) {
  return (await client.getSigningKey(kid)).getPublicKey();
}

const lookUp = (header, done) => key(header).then((found) => done(null, found), done);

await serve((token) => verify(token, lookUp, expected), "jwks-rsa", "jsonwebtoken");
