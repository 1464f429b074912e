/** The real client, of which nothing is changed. */
export * from "@aws-sdk/client-ec2";
