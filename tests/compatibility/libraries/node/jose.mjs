// A resource server that uses jose.

import { createRemoteJWKSet, jwtVerify } from "jose";
import { asked, serve } from "./library.mjs";

const keys = createRemoteJWKSet(new URL(asked.jwks_url));
const expected = {
  issuer: asked.issuer,
  audience: asked.audience,
  algorithms: ["RS256"],
  typ: "at+jwt",
  requiredClaims: ["exp", "sub"],
};

await serve((token) => jwtVerify(token, keys, expected), "jose");
