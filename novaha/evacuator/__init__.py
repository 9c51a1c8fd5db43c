"""The evacuator: the process under NovaEvacuate that brings recoveries to their end."""
