package main

import (
	"context"

	"github.com/coreos/go-oidc/v3/oidc"
)

// goOidc finds the keys by discovery, as the API server of Kubernetes does.
func goOidc(ctx context.Context, asked question) (judge, error) {
	provider, err := oidc.NewProvider(ctx, asked.Issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: asked.Audience})
	return func(token string) error {
		_, err := verifier.Verify(ctx, token)
		return err
	}, nil
}
