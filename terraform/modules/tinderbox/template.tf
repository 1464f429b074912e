locals {
  machine  = { x64 = "x86_64", arm64 = "arm64" }[var.architecture]
  image_id = var.bake_image ? local.baked_image_id : data.aws_ami.base.id
}

data "aws_ami" "base" {
  most_recent = true
  owners      = var.image_id == null ? ["amazon"] : null
  filter {
    name   = var.image_id == null ? "name" : "image-id"
    values = [coalesce(var.image_id, "al2023-ami-minimal-2023.*-kernel-6.1-${local.machine}")]
  }
  lifecycle {
    postcondition {
      condition     = self.architecture == local.machine
      error_message = "Cannot boot image ${self.id}: it is for ${self.architecture}, and architecture says ${var.architecture}."
    }
  }
}

# What every runner is made of. For each request the parent makes a version of it with the user data of that request, and
# removes it again; versions that terraform makes become the default that those start from.
resource "aws_launch_template" "runner" {
  name_prefix            = "${var.name}-"
  description            = "Runners of ${var.name}"
  update_default_version = true
  image_id               = local.image_id
  vpc_security_group_ids = [aws_security_group.runner.id]

  # A machine that powers itself off is gone, not stopped: what keeps lost runners from costing anything.
  instance_initiated_shutdown_behavior = "terminate"

  # Launched without the user data of a parent it is nobody's, and ends by itself.
  user_data = base64encode(<<-EOT
    #!/bin/sh
    echo "tinderbox boot: no parent has launched this machine; it powers off in 10 minutes"
    shutdown -h +10
    EOT
  )

  iam_instance_profile {
    arn = aws_iam_instance_profile.runner.arn
  }

  # Tokens are asked for, and they do not get past the machine itself.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    http_protocol_ipv6          = "disabled"
    instance_metadata_tags      = "disabled"
  }

  block_device_mappings {
    device_name = data.aws_ami.base.root_device_name
    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gb
      encrypted             = "true"
      delete_on_termination = "true"
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.name}-runner" })
    }
  }

  tags = local.tags
}
