# billctl and the certificates that it trusts, and nothing else: no shell, no package manager, no user with rights.
#
# The binary is static, so nothing runs while this is built and any machine can build it for any architecture:
#   .ci/release.py archive target/x86_64-unknown-linux-gnu/release/billctl x86_64-unknown-linux-gnu --to dist
#   .ci/release.py image dist --to context
#   docker build --platform linux/amd64 --file Dockerfile --tag billctl context
FROM scratch
# Set by docker: amd64 or arm64.
ARG TARGETARCH=amd64
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY linux/${TARGETARCH}/billctl /billctl
# Somebody without a name, so that it works with --user too.
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/billctl"]
CMD ["--help"]
