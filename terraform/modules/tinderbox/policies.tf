# Who may do what. The actions are in actions.json, where tests compare them with the requests that the code makes; here is
# on what, and under which conditions.

locals {
  actions   = jsondecode(file("${path.module}/actions.json"))
  partition = data.aws_partition.current.partition
  ec2       = "arn:${local.partition}:ec2:${data.aws_region.current.region}"
  ec2_own   = "${local.ec2}:${data.aws_caller_identity.current.account_id}"

  # Every instance carries it from its launch on. Whose value it has, IAM cannot know.
  owned = "tinderbox:owner"

  release_arns = [for folder in ["layers", "releases"] : "${local.bucket_arn}/${var.release_prefix}${folder}/*"]
  # How parents know of each other: their leases, and what they are about to launch.
  owner_arns = [for folder in [".tinderbox", "requests"] : "${local.bucket_arn}/${var.release_prefix}${folder}/*"]
  store_arn  = "${local.bucket_arn}/${var.store_prefix}*"

  parent_policy = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "LaunchFromOurs"
        Effect = "Allow"
        Action = local.actions.parent.launch
        Resource = concat(
          [aws_launch_template.runner.arn, aws_security_group.runner.arn, "${local.ec2}::image/${local.image_id}"],
          [for id in local.subnet_ids : "${local.ec2_own}:subnet/${id}"],
        )
      },
      {
        Sid       = "LaunchWhatIsTagged"
        Effect    = "Allow"
        Action    = local.actions.parent.launch
        Resource  = [for kind in ["fleet", "instance", "volume"] : "${local.ec2_own}:${kind}/*"]
        Condition = { StringLike = { "aws:RequestTag/${local.owned}" = "?*" } }
      },
      {
        # What a launch makes besides; a request cannot tag them all.
        Sid      = "LaunchWhatBelongsToIt"
        Effect   = "Allow"
        Action   = local.actions.parent.launch
        Resource = [for kind in ["network-interface", "spot-instances-request"] : "${local.ec2_own}:${kind}/*"]
      },
      {
        Sid       = "TagWhileLaunching"
        Effect    = "Allow"
        Action    = local.actions.parent.tag
        Resource  = [for kind in ["fleet", "instance", "volume", "network-interface", "spot-instances-request"] : "${local.ec2_own}:${kind}/*"]
        Condition = { StringEquals = { "ec2:CreateAction" = ["CreateFleet", "RunInstances"] } }
      },
      {
        Sid      = "UserDataOfALaunch"
        Effect   = "Allow"
        Action   = local.actions.parent.template
        Resource = [aws_launch_template.runner.arn]
      },
      {
        # Of this deployment, by its profile, and launched by a parent, by its tag.
        Sid      = "EndOurs"
        Effect   = "Allow"
        Action   = local.actions.parent.end
        Resource = ["${local.ec2_own}:instance/*"]
        Condition = {
          StringLike = { "aws:ResourceTag/${local.owned}" = "?*" }
          ArnEquals  = { "ec2:InstanceProfile" = aws_iam_instance_profile.runner.arn }
        }
      },
      {
        # IAM cannot narrow these by resource.
        Sid       = "Look"
        Effect    = "Allow"
        Action    = local.actions.parent.look
        Resource  = ["*"]
        Condition = { StringEquals = { "ec2:Region" = data.aws_region.current.region } }
      },
      {
        Sid       = "RoleOfRunners"
        Effect    = "Allow"
        Action    = local.actions.parent.pass
        Resource  = [aws_iam_role.runner.arn]
        Condition = { StringEquals = { "iam:PassedToService" = ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"] } }
      },
      {
        # Never removed: another parent may be about to boot from them.
        Sid      = "Releases"
        Effect   = "Allow"
        Action   = local.actions.parent.releases
        Resource = local.release_arns
      },
      {
        Sid      = "ParentsAndStore"
        Effect   = "Allow"
        Action   = local.actions.parent.objects
        Resource = concat(local.owner_arns, [local.store_arn])
      },
      {
        # IfExists: see below.
        Sid       = "WhatIsInTheBucket"
        Effect    = "Allow"
        Action    = local.actions.parent.bucket
        Resource  = [local.bucket_arn]
        Condition = { StringLikeIfExists = { "s3:prefix" = ["${var.release_prefix}*", "${var.store_prefix}*"] } }
      },
    ]
  }

  runner_policy = {
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "Releases"
        Effect    = "Allow"
        Action    = local.actions.runner.releases
        Resource  = local.release_arns
        Condition = {}
      }],
      [for access in var.runner_store_access ? ["store"] : [] : {
        Sid       = "Store"
        Effect    = "Allow"
        Action    = local.actions.runner.objects
        Resource  = [local.store_arn]
        Condition = {}
      }],
      [for access in var.runner_store_access ? ["store"] : [] : {
        # Without it S3 answers 403 for a key that is not there. That question carries no prefix: hence IfExists, at the
        # price that all keys may be listed (their contents may not be read).
        Sid       = "WhatIsInTheStore"
        Effect    = "Allow"
        Action    = local.actions.runner.bucket
        Resource  = [local.bucket_arn]
        Condition = { StringLikeIfExists = { "s3:prefix" = "${var.store_prefix}*" } }
      }],
    )
  }
}

resource "aws_iam_policy" "parent" {
  name_prefix = "${var.name}-parent-"
  description = "What a parent of ${var.name} does: launch, look at and end its runners; releases and store in the bucket"
  policy      = jsonencode(local.parent_policy)
  tags        = local.tags
}

resource "aws_iam_role_policy" "runner" {
  name_prefix = "${var.name}-runner-"
  role        = aws_iam_role.runner.id
  policy      = jsonencode(local.runner_policy)
}
