# An image with layers on its disk. Each lies under its SHA-256, by which the boot program finds and checks it; what others than
# root could have written it does not use.

locals {
  bake          = var.bake_image ? 1 : 0
  layers_folder = "/var/cache/tinderbox/layers"
  baked_image_id = one([for image in aws_imagebuilder_image.runner :
    one([for made in tolist(image.output_resources)[0].amis : made.image if made.region == data.aws_region.current.region])
  ])

  recipe = yamlencode({
    name          = "layers"
    schemaVersion = "1.0"
    phases = [{
      name = "build"
      steps = [
        {
          name   = "Folder"
          action = "ExecuteBash"
          inputs = { commands = ["set -eu", "install -d -o root -g root -m 0755 ${local.layers_folder}"] }
        },
        {
          name   = "Fetch"
          action = "S3Download"
          inputs = [for layer in var.bake_layers : {
            source      = "s3://${local.bucket_name}/${var.release_prefix}layers/${layer}.tar.gz"
            destination = "${local.layers_folder}/${layer}.tar.gz"
          }]
        },
        {
          name   = "Verify"
          action = "ExecuteBash"
          inputs = { commands = concat(
            ["set -eu", "cd ${local.layers_folder}"],
            [for layer in var.bake_layers : "echo '${layer}  ${layer}.tar.gz' | sha256sum --check --strict -"],
            ["chown root:root *.tar.gz", "chmod 0644 *.tar.gz"],
          ) }
        },
      ]
    }]
  })
  # Components and recipes cannot be changed: what differs has another name.
  recipe_id = substr(sha256("${local.recipe}/${data.aws_ami.base.id}/${var.disk_gb}"), 0, 12)
}

resource "aws_imagebuilder_component" "layers" {
  count    = local.bake
  name     = "${var.name}-layers-${local.recipe_id}"
  platform = "Linux"
  version  = "1.0.0"
  data     = local.recipe
  tags     = local.tags
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_imagebuilder_image_recipe" "runner" {
  count        = local.bake
  name         = "${var.name}-runner-${local.recipe_id}"
  parent_image = data.aws_ami.base.id
  version      = "1.0.0"
  component {
    component_arn = aws_imagebuilder_component.layers[0].arn
  }
  block_device_mapping {
    device_name = data.aws_ami.base.root_device_name
    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gb
      delete_on_termination = "true"
    }
  }
  systems_manager_agent {
    uninstall_after_build = true
  }
  tags = local.tags
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_imagebuilder_infrastructure_configuration" "builder" {
  count                         = local.bake
  name                          = "${var.name}-builder"
  description                   = "The machine that bakes the image of ${var.name}"
  instance_profile_name         = aws_iam_instance_profile.builder[0].name
  instance_types                = [var.architecture == "x64" ? "t3.small" : "t4g.small"]
  subnet_id                     = local.subnet_ids[0]
  security_group_ids            = [aws_security_group.runner.id]
  terminate_instance_on_failure = true
  instance_metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  resource_tags = local.tags
  tags          = local.tags
}

resource "aws_imagebuilder_image" "runner" {
  count                            = local.bake
  image_recipe_arn                 = aws_imagebuilder_image_recipe.runner[0].arn
  infrastructure_configuration_arn = aws_imagebuilder_infrastructure_configuration.builder[0].arn
  tags                             = local.tags
  image_tests_configuration {
    image_tests_enabled = false
  }
  timeouts {
    create = "60m"
  }
  lifecycle {
    create_before_destroy = true
  }
  depends_on = [aws_iam_role_policy.builder, aws_iam_role_policy_attachment.builder]
}

resource "aws_iam_role" "builder" {
  count              = local.bake
  name_prefix        = "${substr(var.name, 0, 28)}-builder-"
  description        = "The machine that bakes the image of ${var.name}"
  assume_role_policy = local.for_ec2
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "builder" {
  for_each   = toset(var.bake_image ? ["AmazonSSMManagedInstanceCore", "EC2InstanceProfileForImageBuilder"] : [])
  role       = aws_iam_role.builder[0].name
  policy_arn = "${local.managed}/${each.value}"
}

resource "aws_iam_role_policy" "builder" {
  count       = local.bake
  name_prefix = "${var.name}-builder-"
  role        = aws_iam_role.builder[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Layers"
      Effect   = "Allow"
      Action   = local.actions.runner.releases
      Resource = [for layer in var.bake_layers : "${local.bucket_arn}/${var.release_prefix}layers/${layer}.tar.gz"]
    }]
  })
}

resource "aws_iam_instance_profile" "builder" {
  count       = local.bake
  name_prefix = "${var.name}-builder-"
  role        = aws_iam_role.builder[0].name
  tags        = local.tags
}
