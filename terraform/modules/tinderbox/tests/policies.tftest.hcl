mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_iam_role.runner
  override_during = plan
  values          = { id = "runner", name = "runner", arn = "arn:aws:iam::111122223333:role/runner" }
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
  zones = 1
}

run "who_may_do_what" {
  command = plan

  # no action is a wildcard
  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_policy.parent.policy).Statement, jsondecode(aws_iam_role_policy.runner.policy).Statement) :
      statement.Effect == "Allow" && alltrue([for action in statement.Action : !strcontains(action, "*")])
    ])
    error_message = "An action has a wildcard."
  }

  # no resource is everything but for looking
  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_policy.parent.policy).Statement, jsondecode(aws_iam_role_policy.runner.policy).Statement) :
      alltrue([for resource in statement.Resource : startswith(resource, "arn:aws:")]) || statement.Sid == "Look"
    ])
    error_message = "A statement is for every resource."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.parent.policy).Statement :
      [statement.Condition, alltrue([for action in statement.Action : startswith(action, "ec2:Describe")])] if statement.Sid == "Look"
    ] == [[{ StringEquals = { "ec2:Region" = "eu-central-1" } }, true]]
    error_message = "More than looking at this region is allowed for every resource."
  }

  # launching is bound to what is ours
  assert {
    condition = one([for statement in jsondecode(aws_iam_policy.parent.policy).Statement : toset(statement.Resource) if statement.Sid == "LaunchFromOurs"]) == toset([
      "arn:aws:ec2:eu-central-1:111122223333:launch-template/lt-0123456789abcdef0",
      "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-runner",
      "arn:aws:ec2:eu-central-1:111122223333:subnet/subnet-0a",
      "arn:aws:ec2:eu-central-1::image/ami-0000000000000base",
    ])
    error_message = "A parent may launch other things, or not what it has to."
  }
  assert {
    condition = one([for statement in jsondecode(aws_iam_policy.parent.policy).Statement : statement.Condition if statement.Sid == "LaunchWhatIsTagged"]) == {
      StringLike = { "aws:RequestTag/tinderbox:owner" = "?*" }
    }
    error_message = "What is launched may be without an owner."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.parent.policy).Statement :
      contains(["LaunchFromOurs", "LaunchWhatIsTagged", "LaunchWhatBelongsToIt"], statement.Sid) || !contains(statement.Action, "ec2:RunInstances")
    ])
    error_message = "Another statement allows launching as well."
  }

  # tags are set while launching only
  assert {
    condition = [for statement in jsondecode(aws_iam_policy.parent.policy).Statement : statement.Condition if contains(statement.Action, "ec2:CreateTags")] == [
      { StringEquals = { "ec2:CreateAction" = ["CreateFleet", "RunInstances"] } }
    ]
    error_message = "A machine of somebody else may be given our tag, and then be ended."
  }

  # only runners of this deployment are ended
  assert {
    condition = [for statement in jsondecode(aws_iam_policy.parent.policy).Statement : statement.Condition if contains(statement.Action, "ec2:TerminateInstances")] == [{
      ArnEquals  = { "ec2:InstanceProfile" = "arn:aws:iam::111122223333:instance-profile/a-profile" }
      StringLike = { "aws:ResourceTag/tinderbox:owner" = "?*" }
    }]
    error_message = "Other machines may be ended."
  }

  # only our template gets versions
  assert {
    condition = [for statement in jsondecode(aws_iam_policy.parent.policy).Statement : statement.Resource if contains(statement.Action, "ec2:CreateLaunchTemplateVersion")] == [
      ["arn:aws:ec2:eu-central-1:111122223333:launch-template/lt-0123456789abcdef0"]
    ]
    error_message = "Other templates may be changed."
  }

  # only the role of runners is passed and to ec2 only
  assert {
    condition = [for statement in jsondecode(aws_iam_policy.parent.policy).Statement : [statement.Resource, statement.Condition] if contains(statement.Action, "iam:PassRole")] == [[
      ["arn:aws:iam::111122223333:role/runner"],
      { StringEquals = { "iam:PassedToService" = ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"] } },
    ]]
    error_message = "A parent could give itself another role."
  }

  # a parent has its prefixes of this bucket and removes no release
  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.parent.policy).Statement :
      statement.Sid => [statement.Resource, try(statement.Condition, {}), contains(statement.Action, "s3:DeleteObject")]
      if anytrue([for action in statement.Action : startswith(action, "s3:")])
      } == {
      Releases = [
        ["arn:aws:s3:::tinderbox-111122223333-eu-central-1/tinderbox/layers/*", "arn:aws:s3:::tinderbox-111122223333-eu-central-1/tinderbox/releases/*"],
        {},
        false,
      ]
      ParentsAndStore = [
        [
          "arn:aws:s3:::tinderbox-111122223333-eu-central-1/tinderbox/.tinderbox/*",
          "arn:aws:s3:::tinderbox-111122223333-eu-central-1/tinderbox/requests/*",
          "arn:aws:s3:::tinderbox-111122223333-eu-central-1/store/*",
        ],
        {},
        true,
      ]
      WhatIsInTheBucket = [
        ["arn:aws:s3:::tinderbox-111122223333-eu-central-1"],
        { StringLikeIfExists = { "s3:prefix" = ["tinderbox/*", "store/*"] } },
        false,
      ]
    }
    error_message = "It has more of the bucket, or of another."
  }

  # a runner reads releases and uses the store
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.runner.policy).Statement : statement.Sid => [statement.Resource, statement.Condition] } == {
      Releases = [
        ["arn:aws:s3:::tinderbox-111122223333-eu-central-1/tinderbox/layers/*", "arn:aws:s3:::tinderbox-111122223333-eu-central-1/tinderbox/releases/*"],
        {},
      ]
      Store = [["arn:aws:s3:::tinderbox-111122223333-eu-central-1/store/*"], {}]
      WhatIsInTheStore = [
        ["arn:aws:s3:::tinderbox-111122223333-eu-central-1"],
        { StringLikeIfExists = { "s3:prefix" = "store/*" } },
      ]
    }
    error_message = "Runners may do other things."
  }
  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.runner.policy).Statement : statement.Action if statement.Sid == "Releases"]) == ["s3:GetObject"]
    error_message = "Runners may do more with releases than read them."
  }

  # roles are for ec2
  assert {
    condition = alltrue([for role in [aws_iam_role.runner, aws_iam_role.parent[0]] :
      jsondecode(role.assume_role_policy).Statement == [{ Effect = "Allow", Action = ["sts:AssumeRole"], Principal = { Service = ["ec2.amazonaws.com"] } }]
    ])
    error_message = "Others may take a role."
  }
  assert {
    condition     = aws_iam_role_policy_attachment.parent_shell[0].policy_arn == "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    error_message = "There is no shell on the parent."
  }
  assert {
    condition     = length(aws_iam_role_policy_attachment.runner) == 0 && length(aws_iam_service_linked_role.spot) == 0
    error_message = "Runners have policies that nobody has named, or a role of the account is made unasked."
  }
}
