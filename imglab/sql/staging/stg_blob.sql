-- One row per digest: the document as received. Its bytes are the same whichever run brought them.
select distinct on (blob.digest) blob.*,
from journal.blob
