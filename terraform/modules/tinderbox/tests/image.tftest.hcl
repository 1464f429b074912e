mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_iam_role.runner
  override_during = plan
  values          = { id = "runner", name = "runner" }
}

override_resource {
  target          = aws_security_group.runner
  override_during = plan
  values          = { id = "sg-runner", arn = "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-runner" }
}

override_resource {
  target          = aws_subnet.runner
  override_during = plan
  values          = { id = "subnet-0a" }
}

variables {
  bake_image  = true
  bake_layers = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
}

run "by_default_no_image_is_baked" {
  command = plan
  variables {
    bake_image  = false
    bake_layers = []
  }
  assert {
    condition     = length(aws_imagebuilder_image.runner) == 0 && length(aws_iam_role.builder) == 0
    error_message = "One is."
  }
}

run "what_is_baked_and_how" {
  command = plan

  # runners boot the image that was baked
  assert {
    condition     = aws_launch_template.runner.image_id == "ami-0000000000000baked" && output.image == "ami-0000000000000baked"
    error_message = "They boot another."
  }
  assert {
    condition     = anytrue([for statement in jsondecode(aws_iam_policy.parent.policy).Statement : contains(statement.Resource, "arn:aws:ec2:eu-central-1::image/ami-0000000000000baked")])
    error_message = "The parent may not launch it."
  }
  assert {
    condition     = aws_imagebuilder_image_recipe.runner[0].parent_image == "ami-0000000000000base"
    error_message = "It is made from another image."
  }

  # layers are fetched and verified before they are kept
  assert {
    condition = [for step in yamldecode(aws_imagebuilder_component.layers[0].data).phases[0].steps : [step.action, step.name]] == [
      ["ExecuteBash", "Folder"], ["S3Download", "Fetch"], ["ExecuteBash", "Verify"]
    ]
    error_message = "The steps are others."
  }
  assert {
    condition = yamldecode(aws_imagebuilder_component.layers[0].data).phases[0].steps[1].inputs == [{
      source      = "s3://tinderbox-111122223333-eu-central-1/tinderbox/layers/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.tar.gz"
      destination = "/var/cache/tinderbox/layers/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.tar.gz"
    }]
    error_message = "Others are fetched."
  }
  assert {
    condition = yamldecode(aws_imagebuilder_component.layers[0].data).phases[0].steps[2].inputs.commands == [
      "set -eu",
      "cd /var/cache/tinderbox/layers",
      "echo 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.tar.gz' | sha256sum --check --strict -",
      "chown root:root *.tar.gz",
      "chmod 0644 *.tar.gz",
    ]
    error_message = "They are not verified, or others than root may change them, and runners do not use them."
  }

  # the machine that bakes reads those layers and no more
  assert {
    condition = jsondecode(aws_iam_role_policy.builder[0].policy).Statement == [{
      Sid      = "Layers"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::tinderbox-111122223333-eu-central-1/tinderbox/layers/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.tar.gz"]
    }]
    error_message = "It may do other things."
  }
  assert {
    condition     = aws_imagebuilder_infrastructure_configuration.builder[0].instance_metadata_options[0].http_tokens == "required" && aws_imagebuilder_infrastructure_configuration.builder[0].terminate_instance_on_failure
    error_message = "It is left running, or its metadata is open."
  }

  # what differs has another name
  assert {
    condition     = aws_imagebuilder_component.layers[0].name == "tinderbox-layers-${substr(sha256("${aws_imagebuilder_component.layers[0].data}/ami-0000000000000base/8"), 0, 12)}"
    error_message = "Components and recipes cannot be changed; this one would have to be."
  }
}
