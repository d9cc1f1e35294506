"""The policies of an org that has set none: what most people would want to be asked about."""

from typing import Final

__all__ = ["STARTER"]

STARTER: Final = """\
// Everything is allowed and recorded, unless something below says otherwise.
@id("allow-all")
permit(principal, action, resource);

@id("ask-destructive-commands")
@decision("ask")
@message("This removes or overwrites what may not come back.")
@suggestions("move it to a folder for what is to be removed")
permit(principal, action, resource)
when {
    context.command like "*rm -rf *" || context.command like "*rm -fr *" ||
    context.command like "*git push --force*" || context.command like "*git push -f*" ||
    context.command like "*git reset --hard*" || context.command like "*git clean -*" ||
    context.command like "*mkfs*" || context.command like "*dd of=*" ||
    context.command like "*DROP TABLE*" || context.command like "*drop table*"
};

@id("ask-publishing")
@decision("ask")
@message("This publishes or deploys.")
permit(principal, action, resource)
when {
    context.command like "*npm publish*" || context.command like "*twine upload*" ||
    context.command like "*terraform apply*" || context.command like "*terraform destroy*" ||
    context.command like "*cdk deploy*" || context.command like "*cdk destroy*" ||
    context.command like "*kubectl delete*"
};

@id("watch-network-scripts")
@decision("watch")
@message("This runs what comes from the network.")
permit(principal, action, resource)
when {
    context.command like "*curl *|*sh*" || context.command like "*wget *|*sh*"
};

@id("deny-credentials")
@message("Credentials are not for agents.")
@suggestions("use a key of your own with fewer rights; have a person run this")
forbid(principal, action, resource)
when {
    context.path like "*/.ssh/id_*" || context.path like "*/.aws/credentials*" ||
    context.path like "*/.netrc" || context.path like "/etc/shadow*" ||
    context.command like "*/.ssh/id_*" || context.command like "*/.aws/credentials*" ||
    context.command like "*/etc/shadow*"
};
"""
