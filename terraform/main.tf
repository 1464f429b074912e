# What Tinderbox needs in an AWS account, ready to apply: `terraform init && terraform apply`.
# What it all means and costs is in docs/operate-ec2.md; each variable is described in modules/tinderbox.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}

# Credentials come from where the AWS provider looks for them: AWS_PROFILE, AWS_ACCESS_KEY_ID, the role of the machine.
provider "aws" {
  region = var.region
}

# A variable that is null leaves the default to the module.
module "tinderbox" {
  source = "./modules/tinderbox"

  name                     = var.name
  tags                     = var.tags
  vpc_id                   = var.vpc_id
  subnet_ids               = var.subnet_ids
  vpc_cidr                 = var.vpc_cidr
  zones                    = var.zones
  internet                 = var.internet
  s3_route_table_ids       = var.s3_route_table_ids
  dial                     = var.dial
  ports                    = var.ports
  parent_cidrs             = var.parent_cidrs
  parent_role              = var.parent_role
  runner_egress            = var.runner_egress
  runner_policy_arns       = var.runner_policy_arns
  runner_store_access      = var.runner_store_access
  architecture             = var.architecture
  image_id                 = var.image_id
  disk_gb                  = var.disk_gb
  bake_image               = var.bake_image
  bake_layers              = var.bake_layers
  bucket_name              = var.bucket_name
  bucket_force_destroy     = var.bucket_force_destroy
  release_prefix           = var.release_prefix
  release_expiry_days      = var.release_expiry_days
  store_prefix             = var.store_prefix
  spot_service_linked_role = var.spot_service_linked_role
}
