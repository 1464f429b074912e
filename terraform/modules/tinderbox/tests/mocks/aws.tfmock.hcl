# What AWS would answer. All of it is known at planning time, so that a plan can be checked to the last policy.

mock_data "aws_partition" {
  defaults = {
    partition  = "aws"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "111122223333"
  }
}

mock_data "aws_region" {
  defaults = {
    region = "eu-central-1"
  }
}

mock_data "aws_availability_zones" {
  defaults = {
    names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  }
}

mock_data "aws_ami" {
  defaults = {
    id               = "ami-0000000000000base"
    architecture     = "x86_64"
    root_device_name = "/dev/xvda"
  }
}

mock_data "aws_subnet" {
  defaults = {
    vpc_id = "vpc-0123456789abcdef0"
  }
}

mock_data "aws_ec2_managed_prefix_list" {
  defaults = {
    id = "pl-s3"
  }
}

mock_resource "aws_vpc" {
  defaults = {
    id = "vpc-new"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::111122223333:role/a-role"
  }
}

mock_resource "aws_iam_policy" {
  defaults = {
    arn = "arn:aws:iam::111122223333:policy/a-policy"
  }
}

mock_resource "aws_iam_instance_profile" {
  defaults = {
    arn = "arn:aws:iam::111122223333:instance-profile/a-profile"
  }
}

mock_resource "aws_launch_template" {
  defaults = {
    id  = "lt-0123456789abcdef0"
    arn = "arn:aws:ec2:eu-central-1:111122223333:launch-template/lt-0123456789abcdef0"
  }
}

mock_resource "aws_imagebuilder_image" {
  defaults = {
    output_resources = [{
      amis = [{
        account_id  = "111122223333"
        description = ""
        image       = "ami-0000000000000baked"
        name        = "baked"
        region      = "eu-central-1"
      }]
      containers = []
    }]
  }
}
