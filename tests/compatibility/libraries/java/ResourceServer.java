import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/**
 * A resource server that uses Nimbus JOSE + JWT, or Spring Security's decoder.
 *
 * <p>The first line of standard input is a JSON object (the issuer, the audience, where the keys
 * are), every further line a token, an empty one none at all. Each answer is a JSON object on a line.
 */
public final class ResourceServer {
    /** Throws for a token that is not good. */
    private interface Judge {
        void judge(String token) throws Exception;
    }

    private record Asked(String issuer, String audience, String jwksUrl) {}

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        var first = JSONObjectUtils.parse(lines.readLine());
        var asked = new Asked(
                (String) first.get("issuer"), (String) first.get("audience"), (String) first.get("jwks_url"));
        var judge = switch (arguments[0]) {
            case "nimbus" -> nimbus(asked);
            case "spring" -> spring(asked);
            default -> throw new IllegalArgumentException(arguments[0]);
        };
        tell(Map.of("version", versionOf(arguments[0].equals("nimbus") ? JWTClaimsSet.class : NimbusJwtDecoder.class)));
        for (var token = lines.readLine(); token != null; token = lines.readLine()) {
            tell(verdict(judge, token));
        }
    }

    private static Judge nimbus(Asked asked) throws Exception {
        var keys = JWKSourceBuilder.<SecurityContext>create(URI.create(asked.jwksUrl).toURL()).build();
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, keys));
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(
                asked.audience,
                new JWTClaimsSet.Builder().issuer(asked.issuer).build(),
                Set.of("exp", "sub", "client_id", "jti")));
        return token -> processor.process(token, null);
    }

    private static Judge spring(Asked asked) {
        // Its own check of the type knows "JWT" only.
        var decoder = NimbusJwtDecoder.withJwkSetUri(asked.jwksUrl).validateType(false).build();
        decoder.setJwtValidator(JwtValidators.createAtJwtValidator()
                .issuer(asked.issuer)
                .audience(asked.audience)
                .clientId("web")
                .build());
        return decoder::decode;
    }

    private static Map<String, Object> verdict(Judge judge, String token) {
        var answer = new LinkedHashMap<String, Object>();
        try {
            judge.judge(token);
            answer.put("allowed", true);
        } catch (Exception error) {
            answer.put("allowed", false);
            answer.put("why", error.toString());
        }
        return answer;
    }

    private static void tell(Map<String, Object> answer) {
        System.out.println(JSONObjectUtils.toJSONString(answer));
    }

    /** As the name of the library's file says it. */
    private static String versionOf(Class<?> library) throws Exception {
        var file = Path.of(library.getProtectionDomain().getCodeSource().getLocation().toURI()).getFileName().toString();
        return file.replaceAll("^.*?-(\\d.*)\\.jar$", "$1");
    }
}
