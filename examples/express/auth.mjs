// Checks access tokens with Tokenward's JWKS. It is fetched when a key is not
// known yet, at most twice a minute, and kept for ten minutes.
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const BAD_TOKEN = [
  errors.JWTExpired,
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWKSNoMatchingKey,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
];

// Gives a function that makes middleware: `needs("articles:write")` lets those
// through who have the scope, `needs()` everybody with a good token.
export function authentication(issuer, audience) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const rules = {
    issuer,
    audience,
    algorithms: ["RS256"],
    typ: "at+jwt",
    requiredClaims: ["exp", "sub"],
  };

  return (...scopes) =>
    async (request, response, next) => {
      const [, token] = /^Bearer +(\S+)$/i.exec(request.get("authorization") ?? "") ?? [];
      if (!token) return challenge(response, 401);
      try {
        request.claims = (await jwtVerify(token, keys, rules)).payload;
      } catch (error) {
        if (BAD_TOKEN.some((kind) => error instanceof kind)) {
          return challenge(response, 401, "invalid_token");
        }
        // The keys could not be fetched, which is not the token's fault.
        return response.status(503).set("Retry-After", "1").json({ error: "unavailable" });
      }
      const granted = request.claims.scope?.split(" ") ?? [];
      if (!scopes.every((scope) => granted.includes(scope))) {
        return challenge(response, 403, "insufficient_scope");
      }
      next();
    };
}

// RFC 6750 section 3: without a token there is nothing wrong with it.
function challenge(response, status, error) {
  response.set("WWW-Authenticate", error ? `Bearer error="${error}"` : "Bearer");
  response.status(status).json({ error: error ?? "missing_token" });
}
