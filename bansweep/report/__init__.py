"""From a plan and the store's finished generations to the table: networks by columns, beside the paper's figures."""
