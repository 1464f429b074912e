/**
 * Files that commonly hold secrets. They are left out of every release, because whoever can read its bucket could read them; what an
 * application needs of them goes to runners by the pool's option `secrets`. The list is in docs/release.md, too.
 */

/** As lines of a .gitignore file; letters may be large or small. */
export const secretPatterns = [
  // Environments and settings of tools that hold tokens
  ".env*",
  ".npmrc",
  ".yarnrc.yml",
  ".netrc",
  "_netrc",
  ".pypirc",
  ".pgpass",
  ".my.cnf",
  ".git-credentials",
  ".htpasswd",
  ".dockercfg",
  ".vault-token",
  // Folders of clients
  ".aws/",
  ".azure/",
  ".gcloud/",
  ".docker/",
  ".kube/",
  ".ssh/",
  ".gnupg/",
  ".terraform/",
  // Keys
  "*.pem",
  "*.key",
  "*.p8",
  "*.p12",
  "*.pfx",
  "*.jks",
  "*.keystore",
  "*.ppk",
  "*.kdbx",
  "*.asc",
  "*.gpg",
  "id_rsa*",
  "id_dsa*",
  "id_ecdsa*",
  "id_ed25519*",
  // Credentials and states that hold them
  "credentials",
  "credentials*.json",
  "client_secret*.json",
  "service-account*.json",
  "service_account*.json",
  "serviceAccount*.json",
  "secrets.json",
  "secrets.yaml",
  "secrets.yml",
  "*.tfstate",
  "*.tfstate.*",
  "*.tfvars",
] as const;
