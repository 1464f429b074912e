/** The real client, of which nothing is changed. */
export * from "@aws-sdk/client-s3";
export { getSignedUrl } from "@aws-sdk/s3-request-presigner";
