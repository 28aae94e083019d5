//! A small AWS: says who signed, gives sessions to whoever asks, and refuses the rest.

use super::server::{Reply, Request};

/// A query's answer.
pub(super) fn query(operation: &str, inner: &str) -> Reply {
    Reply::text(
        200,
        format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{inner}\
             </{operation}Result><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{operation}Response>"
        ),
    )
}

/// A query's refusal.
pub(super) fn refusal(status: u16, code: &str, message: &str) -> Reply {
    Reply::text(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        ),
    )
}

/// The organisation of whoever asks.
pub(super) fn organization() -> Reply {
    let organization = serde_json::json!({
        "Id": "o-a1b2c3d4e5", "Arn": "arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5",
        "MasterAccountId": "111122223333", "FeatureSet": "ALL",
    });
    Reply::text(200, serde_json::json!({"Organization": organization}).to_string())
}

/// A refusal in JSON.
pub(super) fn json_refusal(code: &str, message: &str) -> Reply {
    Reply::text(400, serde_json::json!({"__type": code, "Message": message}).to_string())
}

fn session(key: &str) -> String {
    format!(
        "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/R/x</Arn>\
         </AssumedRoleUser>"
    )
}

/// Keys as a container, an instance or IAM Identity Center give them.
fn keys(key: &str) -> Reply {
    Reply::text(
        200,
        serde_json::json!({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
            "AccessKeyId": key, "SecretAccessKey": "s3cr3t", "Token": "token", "Expiration": "2100-01-01T00:00:00Z",
        })
        .to_string(),
    )
}

/// Answers as AWS, whoever asks. A session is named after the role, the token or the service that gave it.
pub(super) fn answer(request: &Request) -> Reply {
    let role = || {
        let arn = request.parameter("RoleArn");
        arn.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let path = request.target.split('?').next().unwrap_or_default();
    match (request.operation().as_str(), path) {
        ("GetCallerIdentity", _) => query(
            "GetCallerIdentity",
            "<Arn>arn:aws:iam::111122223333:user/x</Arn><UserId>X</UserId><Account>111122223333</Account>",
        ),
        ("AssumeRole", _) => match role().as_str() {
            "Closed" => refusal(
                403,
                "AccessDenied",
                "User: arn:aws:iam::111122223333:user/x is not authorized to perform: sts:AssumeRole on resource: \
                 arn:aws:iam::111122223333:role/Closed",
            ),
            role => query("AssumeRole", &session(&format!("ROLE{role}BY{}", request.signer()))),
        },
        ("AssumeRoleWithWebIdentity", _) => match request.parameter("WebIdentityToken").as_str() {
            "old" => refusal(
                400,
                "ExpiredTokenException",
                "Token expired: current date/time must be before it",
            ),
            token => query(
                "AssumeRoleWithWebIdentity",
                &session(&format!("WEB{}{}", role(), token)),
            ),
        },
        (_, "/federation/credentials") => match request.header("x-amz-sso_bearer_token") {
            "signed-out" => Reply::Answer(
                401,
                vec![("x-amzn-errortype", "UnauthorizedException".to_owned())],
                br#"{"message":"Session token not found or invalid"}"#.to_vec(),
            ),
            _ => Reply::text(
                200,
                serde_json::json!({"roleCredentials": {"accessKeyId": "SSO", "secretAccessKey": "s3cr3t",
                    "sessionToken": "token", "expiration": 4_102_444_800_000_u64}})
                .to_string(),
            ),
        },
        (_, "/token") => Reply::text(
            200,
            r#"{"accessToken": "good", "expiresIn": 3600, "refreshToken": "next", "tokenType": "Bearer"}"#,
        ),
        (_, "/v1/token") => Reply::text(
            200,
            serde_json::json!({"accessToken": {"accessKeyId": "RENEWED", "secretAccessKey": "s3cr3t",
                "sessionToken": "token"}, "expiresIn": 900, "refreshToken": "next", "tokenType": "aws_sigv4"})
            .to_string(),
        ),
        (_, "/container") => match request.header("authorization") {
            "" | "let me in" => keys("CONTAINER"),
            _ => Reply::text(403, "no"),
        },
        (_, "/container-without") => Reply::text(404, "nothing here"),
        (_, "/latest/api/token") => Reply::Answer(
            200,
            vec![("x-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned())],
            b"t".to_vec(),
        ),
        (_, "/latest/meta-data/iam/security-credentials/") => Reply::text(200, "the-role"),
        (_, "/latest/meta-data/iam/security-credentials/the-role") => keys("INSTANCE"),
        _ => json_refusal("AccessDeniedException", "User: x is not authorized to perform it"),
    }
}
