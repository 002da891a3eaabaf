package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	authv1 "example.org/articles/tokenward/auth/v1"
)

// Verify answers from memory. Whoever waits longer than this waits in vain.
const deadline = 3 * time.Second

// Guard lets those through whose token Tokenward calls good.
type Guard struct {
	Auth     authv1.AuthServiceClient
	Audience string
}

type claimsKey struct{}

// ClaimsOf is what the token of a request says that a Guard has let through.
func ClaimsOf(r *http.Request) *authv1.Claims {
	claims, _ := r.Context().Value(claimsKey{}).(*authv1.Claims)
	return claims
}

// Needs calls next for callers with all of these scopes, with ClaimsOf them.
func (g Guard) Needs(next http.HandlerFunc, scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, found := bearer(r)
		if !found {
			challenge(w, http.StatusUnauthorized, "Bearer")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), deadline)
		defer cancel()
		verdict, err := g.Auth.Verify(ctx, &authv1.VerifyRequest{
			Token:            token,
			RequiredAudience: g.Audience,
			RequiredScopes:   scopes,
		})
		switch {
		case err != nil:
			// Nobody can say whether the token is good.
			w.Header().Set("Retry-After", "1")
			http.Error(w, "unavailable", http.StatusServiceUnavailable)
		case verdict.GetActive():
			known := context.WithValue(r.Context(), claimsKey{}, verdict.GetClaims())
			next(w, r.WithContext(known))
		case verdict.GetReason() == authv1.InactiveReason_INACTIVE_REASON_MISSING_SCOPE:
			challenge(w, http.StatusForbidden, `Bearer error="insufficient_scope"`)
		default:
			reason := strings.TrimPrefix(verdict.GetReason().String(), "INACTIVE_REASON_")
			challenge(w, http.StatusUnauthorized,
				fmt.Sprintf(`Bearer error="invalid_token", error_description=%q`, reason))
		}
	})
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, strings.EqualFold(scheme, "bearer") && token != ""
}

func challenge(w http.ResponseWriter, status int, value string) {
	w.Header().Set("WWW-Authenticate", value)
	w.WriteHeader(status)
}
