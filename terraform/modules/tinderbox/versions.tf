terraform {
  # Validations look at other variables (1.9), tests know what would only be known after an apply (1.11).
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source = "hashicorp/aws"
      # From 6 on the region is an attribute of each resource, and of the data source `aws_region`.
      version = ">= 6.0, < 7.0"
    }
  }
}
